# As programs colour their levels for a terminal: the sixteen colours, the 256 and true colour.
function line(seq, ms,    n) {
  n = seq % 6
  printf "\033[2m%s\033[0m ", iso(ms)
  if (n == 1) printf "\033[32m INFO\033[0m \033[1mworker::queue\033[0m: took job \033[36m#%d\033[0m\n", seq
  else if (n == 2) printf "\033[34mDEBUG\033[0m worker::queue: depth \033[38;5;208m%d\033[0m\n", below(200)
  else if (n == 3) printf "\033[33m WARN\033[0m worker::retry: attempt \033[4m%d\033[24m of 5\n", 1 + below(5)
  else if (n == 4) printf "\033[1;31mERROR\033[0m worker::job: \033[41;97m failed \033[0m \033[38;2;255;105;180mno space left on device\033[0m\n"
  else if (n == 5) printf "\033[35mTRACE\033[0m worker::io: \033[7mread\033[27m %d bytes\n", below(65536)
  else printf "\033[32m INFO\033[0m worker::queue: \033[3midle\033[0m\n"
}

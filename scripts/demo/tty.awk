# What a program writes to a terminal: carriage returns and a progress bar over itself.
function line(seq, ms,    done) {
  done = seq % 20
  if (done == 0) printf "\r\033[K\033[32m✓\033[0m %s layer %s unpacked\n", clock(ms, "%H:%M:%S"), hex_id(12)
  else if (done == 1) printf "%s fetching layer %s\n", clock(ms, "%H:%M:%S"), hex_id(12)
  else printf "\r[%-19s] %3d %%", substr("###################", 1, done), done * 5
}

# Calls line(seq, ms) RATE times a second, evenly, in the smallest batches the clock allows: seq counts from 1, ms is the time since the
# epoch. busybox awk knows whole seconds only; /proc/uptime gives hundredths, and one look at the clock says where in the second we began.

function uptime_ms(    text) {
  getline text < "/proc/uptime"
  close("/proc/uptime")
  return int(text * 1000 + 0.5)
}

# Milliseconds between the epoch and the machine's start.
function boot_ms(    text, part, s, us, now) {
  while (("adjtimex 2>/dev/null" | getline text) > 0) {
    split(text, part, " ")
    if (part[1] == "time.tv_sec:") s = part[2]
    if (part[1] == "time.tv_usec:") us = part[2]
  }
  close("adjtimex 2>/dev/null")
  if (s > 0) return s * 1000 + int(us / 1000) - uptime_ms()
  # Not allowed to ask: wait for the second to turn.
  now = systime()
  while (systime() == now) system("usleep 2000")
  return (now + 1) * 1000 - uptime_ms()
}

function now_ms() { return BOOT + uptime_ms() }
function iso(ms) { return strftime("%Y-%m-%dT%H:%M:%S", int(ms / 1000), 1) sprintf(".%03dZ", ms % 1000) }
function clock(ms, form) { return strftime(form, int(ms / 1000), 1) }
function below(n) { return int(rand() * n) }
function pick(words,    list, n) { n = split(words, list, "|"); return list[1 + below(n)] }
function hex_id(digits,    text) { while (length(text) < digits) text = text sprintf("%x", below(16)); return text }

# Containers that start in the same second do not say the same things.
function seed(    text, n, i) {
  getline text < "/proc/sys/kernel/random/uuid"
  close("/proc/sys/kernel/random/uuid")
  for (i = 1; i <= 8; i++) n = n * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
  return n
}

BEGIN {
  srand(seed())
  BOOT = boot_ms()
  began = uptime_ms()
  for (;;) {
    due = int((uptime_ms() - began) * RATE / 1000) + 1
    if (COUNT > 0 && due > COUNT) due = COUNT
    if (sent < due) {
      ms = now_ms()
      while (sent < due) line(++sent, ms)
      fflush()
    }
    if (COUNT > 0 && sent >= COUNT) exit 0
    # Short naps when lines come fast; at few lines a second, no more wake-ups than lines need.
    system(RATE > 50 ? "usleep 10000" : "usleep 50000")
  }
}

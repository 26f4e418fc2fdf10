# Works for half a minute, then ends as a Rust program that panics; its restart policy brings it back.
function line(seq, ms) {
  if (seq >= 30 * RATE) {
    print "thread 'main' panicked at src/main.rs:57:14:" > "/dev/stderr"
    print "called `Result::unwrap()` on an `Err` value: Os { code: 104, kind: ConnectionReset, message: \"Connection reset by peer\" }" > "/dev/stderr"
    print "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace" > "/dev/stderr"
    fflush()
    exit 101
  }
  printf "%s %5s flaky::session: %s\n", iso(ms), pick("INFO|INFO|WARN|DEBUG"), pick("heartbeat|peer is late|peer answered|resent window")
}

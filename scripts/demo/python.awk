# As Python's logging writes, with tracebacks.
function line(seq, ms) {
  if (seq % 10 == 0) {
    printf "%s,%03d ERROR worker.tasks: task %s raised\n", clock(ms, "%Y-%m-%d %H:%M:%S"), ms % 1000, hex_id(8) > "/dev/stderr"
    print "Traceback (most recent call last):" > "/dev/stderr"
    print "  File \"/app/worker/tasks.py\", line 118, in run" > "/dev/stderr"
    print "    result = self.handler(**self.arguments)" > "/dev/stderr"
    print "  File \"/app/worker/mail.py\", line 44, in send" > "/dev/stderr"
    print "    raise MailboxFull(address.domain)" > "/dev/stderr"
    print "worker.mail.MailboxFull: example.org" > "/dev/stderr"
    return
  }
  printf "%s,%03d %s worker.tasks: task %s %s\n", clock(ms, "%Y-%m-%d %H:%M:%S"), ms % 1000, pick("INFO|INFO|INFO|DEBUG|WARNING"), hex_id(8), pick("received|started|succeeded in 0.3s|queued")
}

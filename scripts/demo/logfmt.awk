# As Go programs write with logfmt.
function line(seq, ms,    level) {
  level = pick("info|info|info|info|debug|debug|warn|error")
  printf "ts=%s level=%s component=%s ", iso(ms), level, pick("scraper|wal|compactor|api")
  if (level == "error") printf "msg=\"scrape failed\" target=\"http://10.0.0.%d:9100/metrics\" err=\"context deadline exceeded\"\n", 2 + below(250)
  else printf "msg=\"%s\" took=%dms samples=%d\n", pick("scraped target|wrote block|flushed head chunk|answered query"), 1 + below(90), below(4000)
}

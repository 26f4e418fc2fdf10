# The combined access log, and now and then a line of the error log.
function line(seq, ms) {
  if (below(25) == 0) {
    printf "%s [error] 29#29: *%d connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.%d, server: shop, request: \"GET /cart HTTP/1.1\"\n", clock(ms, "%Y/%m/%d %H:%M:%S"), seq, 2 + below(250) > "/dev/stderr"
    return
  }
  printf "10.0.0.%d - - [%s +0000] \"%s /%s HTTP/1.1\" %s %d \"-\" \"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0\"\n", 2 + below(250), clock(ms, "%d/%b/%Y:%H:%M:%S"), pick("GET|GET|GET|POST"), pick("|cart|products/17|static/app.css|api/orders"), pick("200|200|200|200|304|404|302|502"), below(20000)
}

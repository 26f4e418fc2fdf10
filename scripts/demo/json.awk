# As pino writes: numeric severities, epoch milliseconds.
function line(seq, ms,    level, order) {
  level = 30
  if (below(8) == 0) level = 20
  if (below(12) == 0) level = 40
  if (below(20) == 0) level = 50
  order = 10000 + below(5000)
  printf "{\"level\":%d,\"time\":%.0f,\"pid\":1,\"hostname\":\"checkout\",\"req\":{\"id\":\"%s\",\"method\":\"%s\",\"url\":\"/orders/%d\"}", level, ms, hex_id(12), pick("GET|POST|PUT"), order
  if (level == 50) printf ",\"err\":{\"type\":\"TimeoutError\",\"message\":\"payment gateway did not answer within 2000 ms\"},\"msg\":\"order failed\"}\n"
  else if (level == 40) printf ",\"retry\":%d,\"msg\":\"payment gateway is slow\"}\n", 1 + below(3)
  else printf ",\"responseTime\":%d,\"total\":%.2f,\"msg\":\"order %s\"}\n", 3 + below(120), 5 + rand() * 300, pick("accepted|priced|shipped|paid")
}

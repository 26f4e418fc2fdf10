# As log4j writes, with stack traces over many lines.
function line(seq, ms,    i) {
  if (seq % 12 == 0) {
    printf "%s,%03d ERROR [http-nio-8080-exec-%d] c.shop.billing.InvoiceController - could not create invoice %d\n", clock(ms, "%Y-%m-%d %H:%M:%S"), ms % 1000, 1 + below(8), 7000 + seq
    print "java.lang.IllegalStateException: customer has no address"
    print "\tat com.shop.billing.InvoiceService.create(InvoiceService.java:87)"
    print "\tat com.shop.billing.InvoiceController.post(InvoiceController.java:41)"
    for (i = 0; i < 4; i++) printf "\tat org.example.web.Filter%d.apply(Filter%d.java:%d)\n", i, i, 20 + i
    print "Caused by: java.lang.NullPointerException: Cannot invoke \"Address.zip()\" because \"address\" is null"
    print "\tat com.shop.billing.Address.check(Address.java:12)"
    print "\t... 6 more"
    return
  }
  printf "%s,%03d %-5s [http-nio-8080-exec-%d] c.shop.billing.%s - %s %d\n", clock(ms, "%Y-%m-%d %H:%M:%S"), ms % 1000, pick("INFO|INFO|INFO|DEBUG|WARN"), 1 + below(8), pick("InvoiceService|TaxTable|PdfWriter"), pick("created invoice|looked up rate|wrote page"), 7000 + seq
}

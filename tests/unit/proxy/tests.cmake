pg_unit(proxy config)
pg_unit(proxy/http rq)

pg_unit(proxy config)
pg_unit(proxy/http rq)
pg_unit(proxy/http conn FAKES blob THREADS TIMEOUT 60)

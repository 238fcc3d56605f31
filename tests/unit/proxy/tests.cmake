pg_unit(proxy config)
pg_unit(proxy/http rq)
pg_unit(proxy/journey pull FAKES resolve)

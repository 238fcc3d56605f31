pg_unit(proxy/http rq)
pg_unit(proxy/journey pull FAKES resolve)

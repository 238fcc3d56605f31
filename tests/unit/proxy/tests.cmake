pg_unit(proxy config)
pg_unit(proxy spawn THREADS TIMEOUT 60)

pg_unit(proxy/http rq)
pg_unit(proxy/http smuggling FAKES blob THREADS TIMEOUT 60)
pg_unit(proxy/http conn FAKES blob THREADS TIMEOUT 60)
pg_unit(proxy/http send FAKES blob THREADS TIMEOUT 60)
pg_fuzz(proxy/http head)

set(house clock log conn fetch store)
pg_unit(proxy/journey target)
pg_unit(proxy/journey pull_manifest FAKES ${house})

pg_unit(cache flight)
pg_unit(cache flight_stress THREADS TIMEOUT 60)
pg_unit(cache use)
pg_unit(cache version)

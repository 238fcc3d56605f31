pg_unit(cache flight)
pg_unit(cache flight_stress THREADS TIMEOUT 60)

pg_unit(oci challenge)
pg_unit(oci ref)

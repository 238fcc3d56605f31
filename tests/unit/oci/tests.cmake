pg_unit(oci ref)

# SPDX-License-Identifier: Apache-2.0
pg_unit(audit entry)
pg_unit(audit examine TIMEOUT 60)
pg_unit(audit trail THREADS TIMEOUT 60)
pg_unit(audit search)
pg_unit(audit follow THREADS TIMEOUT 60)
pg_fuzz(audit audit_entry)
pg_fuzz(audit audit_log)

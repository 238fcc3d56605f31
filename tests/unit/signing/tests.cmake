# SPDX-License-Identifier: Apache-2.0
pg_unit(signing stamp_wire)
pg_fuzz(signing stamp_wire)
pg_unit(signing evidence)
pg_fuzz(signing evidence)

# SPDX-License-Identifier: Apache-2.0
pg_unit(cli config)
pg_unit(cli option)
pg_unit(cli nearest)
pg_unit(cli authority)
pg_unit(cli address)
pg_unit(cli table)
pg_fuzz(cli config)

# SPDX-License-Identifier: Apache-2.0
pg_unit(tsa cell)
pg_unit(tsa strict)
pg_unit(tsa tst TIMEOUT 60)
if (TARGET unit.tsa.tst)
    target_compile_definitions(unit.tsa.tst PRIVATE PG_SOURCE="${CMAKE_SOURCE_DIR}")
endif ()
pg_fuzz(tsa tst)

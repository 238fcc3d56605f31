# SPDX-License-Identifier: Apache-2.0
pg_e2e(pull THREADS TLS test_)
pg_e2e(http TIMEOUT 300 TLS test_A test_K02)
pg_e2e(names TLS test_B)
pg_e2e(door THREADS TIMEOUT 300)
pg_e2e(referrers)
pg_e2e(upstream TIMEOUT 400)
pg_e2e(budget TIMEOUT 300)
pg_e2e(login TIMEOUT 300)
pg_e2e(routes TIMEOUT 300)
pg_e2e(store TIMEOUT 300)
pg_e2e(operate TIMEOUT 300)
pg_e2e(clients TIMEOUT 300)
pg_e2e(clientconf TIMEOUT 300)
pg_e2e(cli THREADS TIMEOUT 300)
pg_e2e(commands TIMEOUT 300)
pg_e2e(life THREADS TIMEOUT 300)
pg_e2e(crash TIMEOUT 600)
pg_e2e(interop INTEROP TIMEOUT 600)
pg_e2e(daemons INTEROP TIMEOUT 600)

# The long form of the crash test: thousands of kills, for a release.
if (NOT PG_HARDEN AND TARGET pullgate)
    add_test(NAME long.crash COMMAND python3 tests/e2e/test_crash.py
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(long.crash PROPERTIES LABELS long TIMEOUT 14400
                         ENVIRONMENT "PULLGATE=$<TARGET_FILE:pullgate>;PG_KILLS=4000;PG_E2E_DEADLINE=60")
endif ()
pg_e2e(trace THREADS)

# SPDX-License-Identifier: Apache-2.0
pg_e2e(pull THREADS TLS test_)
pg_e2e(http TIMEOUT 300 TLS test_A test_K02)
pg_e2e(names TLS test_B)
pg_e2e(door THREADS TIMEOUT 300)
pg_e2e(referrers)
pg_e2e(content TIMEOUT 300)
pg_e2e(upstream TIMEOUT 400)
pg_e2e(budget TIMEOUT 300)
pg_e2e(quirks TIMEOUT 300)
pg_e2e(login TIMEOUT 300)
pg_e2e(routes TIMEOUT 300)
pg_e2e(store TIMEOUT 300)
pg_e2e(operate TIMEOUT 300)
pg_e2e(clients TIMEOUT 300)
pg_e2e(clientconf TIMEOUT 300)
pg_e2e(canary TIMEOUT 300)
pg_e2e(cli THREADS TIMEOUT 300)
pg_e2e(commands TIMEOUT 300)
pg_e2e(life THREADS TIMEOUT 300)
pg_e2e(upgrade THREADS TIMEOUT 300)
pg_e2e(admit TIMEOUT 300)
pg_e2e(gate TIMEOUT 300)
pg_e2e(cooldown TIMEOUT 300)
pg_e2e(audit TIMEOUT 300)
pg_e2e(forward THREADS TIMEOUT 300)
pg_e2e(crash TIMEOUT 600)
pg_e2e(rivals)
pg_e2e(outage TIMEOUT 300)
pg_e2e(disk TIMEOUT 300)
pg_e2e(load TIMEOUT 300)
pg_e2e(interop INTEROP TIMEOUT 600)
pg_e2e(signers INTEROP TIMEOUT 600)
pg_e2e(rego INTEROP TIMEOUT 300)
pg_e2e(syft INTEROP TIMEOUT 300)
pg_e2e(daemons INTEROP TIMEOUT 600)

# The long form of the crash test: thousands of kills, for a release.
if (NOT PG_HARDEN AND TARGET pullgate)
    add_test(NAME long.crash COMMAND python3 tests/e2e/test_crash.py
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(long.crash PROPERTIES LABELS long TIMEOUT 14400
                         ENVIRONMENT "PULLGATE=$<TARGET_FILE:pullgate>;PG_KILLS=4000;PG_E2E_DEADLINE=60")
    # A store of 100,000 blobs is ready at once after kill -9.
    add_test(NAME long.ready COMMAND python3 tests/e2e/test_store.py test_ready
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(long.ready PROPERTIES LABELS long TIMEOUT 3600
                         ENVIRONMENT "PULLGATE=$<TARGET_FILE:pullgate>;PG_BLOBS=100000;PG_E2E_DEADLINE=900")
    # 10,000 pulls race removals; 200 kills in the middle of one.
    add_test(NAME long.retain COMMAND python3 tests/e2e/test_retain.py test_G10 test_G02
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(long.retain PROPERTIES LABELS long TIMEOUT 7200
                         ENVIRONMENT "PULLGATE=$<TARGET_FILE:pullgate>;PG_RACES=10000;PG_KILLS=200;PG_E2E_DEADLINE=60")
    # 100,000 blobs leave by a rule, beside pulls.
    add_test(NAME long.many COMMAND python3 tests/e2e/test_many.py
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(long.many PROPERTIES LABELS long TIMEOUT 3600
                         ENVIRONMENT "PULLGATE=$<TARGET_FILE:pullgate>;MAKE_STORE=$<TARGET_FILE:bench.make_store>;PG_BLOBS=100000;PG_E2E_DEADLINE=900")
    # Idle connections, a soak.
    add_test(NAME long.load COMMAND python3 tests/e2e/test_load.py test_K01 test_K11
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(long.load PROPERTIES LABELS long TIMEOUT 3600
                         ENVIRONMENT "PULLGATE=$<TARGET_FILE:pullgate>;PG_IDLE=9000;PG_SOAK=900;PG_E2E_DEADLINE=60")
endif ()
pg_e2e(trace THREADS)
pg_e2e(loops)
pg_e2e(ahead THREADS)
pg_e2e(policies)
pg_e2e(opa)
pg_e2e(retain TIMEOUT 300)
pg_e2e(replay)
pg_e2e(scan)
pg_e2e(scans)
pg_e2e(scanpol TIMEOUT 300)
pg_e2e(affected)
pg_e2e(facts TIMEOUT 300)
pg_e2e(revoke TIMEOUT 300)
pg_e2e(feeds TIMEOUT 300)
pg_e2e(notation)
pg_e2e(verify TIMEOUT 300)
pg_e2e(signed TIMEOUT 300)
pg_e2e(retention)
pg_e2e(growth)
pg_e2e(webhooks THREADS)
pg_e2e(elsewhere TIMEOUT 300)

# SPDX-License-Identifier: Apache-2.0
pg_unit(signing b64)
pg_unit(signing bundle_cases TIMEOUT 60)
pg_unit(signing bundle_mutants TIMEOUT 60)
pg_unit(signing conformance TIMEOUT 60)
pg_unit(signing der)
pg_unit(signing evidence)
pg_unit(signing field)
pg_unit(signing key)
pg_unit(signing moment)
pg_unit(signing pem)
pg_unit(signing stamp_wire)
pg_unit(signing trust)
pg_fuzz(signing evidence)
pg_fuzz(signing stamp_wire)

# These read fixtures, and ask the program about timestamps.
foreach (name bundle_cases bundle_mutants conformance)
    if (TARGET unit.signing.${name})
        target_compile_definitions(unit.signing.${name} PRIVATE PG_SOURCE="${CMAKE_SOURCE_DIR}"
                                   PG_TSA="$<TARGET_FILE:pullgate-tsa>")
        add_dependencies(unit.signing.${name} pullgate-tsa)
    endif ()
endforeach ()

# SPDX-License-Identifier: Apache-2.0
# The calls that the simulation stands behind; wrap.h declares them.
set(sim_wrapped clock_gettime pg_random_bytes sched_yield pthread_create pthread_join
    pthread_mutex_lock pthread_mutex_unlock pthread_cond_wait pthread_cond_timedwait
    pthread_cond_signal pthread_cond_broadcast sem_init sem_destroy sem_post sem_wait sem_clockwait
    fsync fdatasync fstat fstatat fstatvfs pg_fault_fires index_check)

function(pg_sim name)
    cmake_parse_arguments(T "" "TIMEOUT" "" ${ARGN})
    if (PG_HARDEN OR NOT PG_WITH_FAULTS OR PG_SANITIZE STREQUAL thread)
        return()
    endif ()
    add_executable(sim.${name} sim/test_${name}.c sim/sched.c sim/disk.c sim/fault.c sim/world.c
                   sim/life.c sim/upstream.c sim/client.c sim/operator.c sim/verify.c sim/run.c)
    target_include_directories(sim.${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(sim.${name} PRIVATE cache)
    target_compile_definitions(sim.${name} PRIVATE PG_SOURCE="${CMAKE_SOURCE_DIR}")
    foreach (call ${sim_wrapped})
        target_link_options(sim.${name} PRIVATE LINKER:--wrap=${call})
    endforeach ()
    add_test(NAME sim.${name} COMMAND sim.${name})
    set_tests_properties(sim.${name} PROPERTIES LABELS "unit;sim" TIMEOUT ${T_TIMEOUT})
endfunction()

pg_sim(sim TIMEOUT 300)
pg_sim(sweep TIMEOUT 300)
if (TARGET sim.sim)
    add_test(NAME long.sim COMMAND sim.sim)
    set_tests_properties(long.sim PROPERTIES LABELS long TIMEOUT 28800
                         ENVIRONMENT "PG_SEEDS=100000")
    add_test(NAME long.sweep COMMAND sim.sweep)
    set_tests_properties(long.sweep PROPERTIES LABELS long TIMEOUT 7200
                         ENVIRONMENT "PG_SWEEP_ALL=1")
endif ()

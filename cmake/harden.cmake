# SPDX-License-Identifier: Apache-2.0
# The flags of a release. Each is taken where this compiler and linker know it, so that an older
# or a foreign one still builds; tests/check/test_hardening.py says what must be there in the end.
include(CheckCCompilerFlag)
include(CheckLinkerFlag)
include(CheckPIESupported)
include(CheckIPOSupported)

set(PG_HARDEN_COMPILE
    -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
    -mbranch-protection=standard -ftrivial-auto-var-init=zero -fstrict-flex-arrays=3
    -fzero-init-padding-bits=all -fno-delete-null-pointer-checks -fno-strict-overflow
    -fno-strict-aliasing -fexceptions)
set(PG_HARDEN_LINK -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen -Wl,--as-needed)

check_pie_supported(LANGUAGES C)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_ipo_supported(RESULT PG_LTO LANGUAGES C)
if (PG_LTO)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif ()

function(pg_harden target)
    get_target_property(type ${target} TYPE)
    set(how PRIVATE)
    if (type STREQUAL INTERFACE_LIBRARY)
        set(how INTERFACE)
    endif ()
    target_compile_options(${target} ${how} -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
    foreach (flag ${PG_HARDEN_COMPILE})
        string(MAKE_C_IDENTIFIER "PG_CC${flag}" known)
        check_c_compiler_flag("-Werror ${flag}" ${known})
        if (${known})
            target_compile_options(${target} ${how} ${flag})
            target_link_options(${target} ${how} ${flag}) # LTO makes the code when it links
        endif ()
    endforeach ()
    foreach (flag ${PG_HARDEN_LINK})
        string(MAKE_C_IDENTIFIER "PG_LD${flag}" known)
        check_linker_flag(C ${flag} ${known})
        if (${known})
            target_link_options(${target} ${how} ${flag})
        endif ()
    endforeach ()
endfunction()

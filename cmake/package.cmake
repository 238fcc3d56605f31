# SPDX-License-Identifier: Apache-2.0
# What is installed where, and the Debian package of it: `./dev package`, or cpack in a release's
# build folder. Meant for the prefix /usr, which the release preset sets.
include(GNUInstallDirs)

install(TARGETS pullgate RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS pullgate-tsa RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/pullgate)
install(FILES README.md SECURITY.md docs/getting-started.md docs/clients.md docs/operations.md
        docs/upstreams.md docs/policy.md docs/signatures.md docs/configuration.md docs/threat-model.md
        cmake/debian/copyright
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/api DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES conf/pullgate.yaml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/pullgate)
foreach (packed "CHANGELOG.md:changelog.gz" "docs/pullgate.8:pullgate.8.gz")
    string(REPLACE ":" ";" packed ${packed})
    list(GET packed 0 source)
    list(GET packed 1 name)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/packed/${name}
        COMMAND sh -c "gzip -9nc \"$1\" >\"$2\"" gzip ${CMAKE_SOURCE_DIR}/${source}
                ${CMAKE_BINARY_DIR}/packed/${name}
        DEPENDS ${CMAKE_SOURCE_DIR}/${source} VERBATIM)
    list(APPEND all_packed ${CMAKE_BINARY_DIR}/packed/${name})
endforeach ()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/packed)
add_custom_target(packed ALL DEPENDS ${all_packed})
install(FILES ${CMAKE_BINARY_DIR}/packed/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${CMAKE_BINARY_DIR}/packed/pullgate.8.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
file(GLOB units CONFIGURE_DEPENDS conf/*.service conf/*.socket)
install(FILES ${units} DESTINATION lib/systemd/system)
file(GLOB examples CONFIGURE_DEPENDS conf/*.json conf/*-alerts.yaml conf/policies/*.yaml conf/retention/*.yaml)
if (examples)
    install(FILES ${examples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
endif ()
install(DIRECTORY conf/policies/rego DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
foreach (shell_file "bash-completion/completions:pullgate.bash:pullgate"
         "zsh/vendor-completions:pullgate.zsh:_pullgate" "fish/vendor_completions.d:pullgate.fish:pullgate.fish")
    string(REPLACE ":" ";" parts ${shell_file})
    list(GET parts 0 folder)
    list(GET parts 1 source)
    list(GET parts 2 name)
    if (EXISTS ${CMAKE_SOURCE_DIR}/conf/completion/${source})
        install(FILES conf/completion/${source} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder}
                RENAME ${name})
    endif ()
endforeach ()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pullgate)
set(CPACK_PACKAGE_VENDOR pullgate)
set(CPACK_PACKAGE_CONTACT "the pullgate developers <developers@pullgate.invalid>"
    CACHE STRING "Maintainer of the Debian package; whoever publishes it puts in an address that is read")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "caching pull-through proxy for container registries")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"pullgate stands between container clients and upstream registries. It
fetches each manifest and layer once, keeps it in content-addressed files,
checks its digest before it is served whole, and goes on serving when an
upstream is down.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, passwd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/cmake/debian/postinst;${CMAKE_SOURCE_DIR}/cmake/debian/prerm;${CMAKE_SOURCE_DIR}/cmake/debian/postrm;${CMAKE_SOURCE_DIR}/cmake/debian/conffiles")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/package)
if (CMAKE_CROSSCOMPILING)
    set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
endif ()
include(CPack)

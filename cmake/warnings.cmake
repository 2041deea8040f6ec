# Flags of every target of ours.
add_library(tapedeck_flags INTERFACE)
target_include_directories(tapedeck_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_definitions(tapedeck_flags INTERFACE _GNU_SOURCE TAPEDECK_VERSION="${PROJECT_VERSION}")
target_compile_options(tapedeck_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2
  -Wcast-qual -Wundef -Wvla
  $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> # cutting is what snprintf is for, and the verdict changes with the optimisation
  -fno-strict-aliasing -fstack-protector-strong)
if(TAPEDECK_WERROR)
  target_compile_options(tapedeck_flags INTERFACE -Werror)
endif()
if(TAPEDECK_SANITIZE)
  target_compile_options(tapedeck_flags INTERFACE -fsanitize=${TAPEDECK_SANITIZE} -fno-sanitize-recover=all
                                                  -fno-omit-frame-pointer)
  target_link_options(tapedeck_flags INTERFACE -fsanitize=${TAPEDECK_SANITIZE})
  if(TAPEDECK_FUZZ)
    target_compile_options(tapedeck_flags INTERFACE -fsanitize=fuzzer-no-link)
  endif()
endif()

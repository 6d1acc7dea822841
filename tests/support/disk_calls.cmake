# akm_record_disk_calls(NAME): the calls below, made by the code that is linked into NAME, go through
# tests/support/disk_calls.cpp. Calls that the C++ library makes itself do not.
set(AKM_DISK_CALLS open openat write pwrite ftruncate fsync fdatasync syncfs rename renameat renameat2 unlink unlinkat mkdir
  mkdirat link linkat)
function(akm_record_disk_calls name)
  target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/disk_calls.cpp)
  list(TRANSFORM AKM_DISK_CALLS PREPEND "-Wl,--wrap=" OUTPUT_VARIABLE wraps)
  target_link_options(${name} PRIVATE ${wraps})
endfunction()

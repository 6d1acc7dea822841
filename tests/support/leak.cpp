// A test that leaks and says nothing about it: the sanitizers' build must fail it.
#include <criterion/criterion.h>

#include <cstdlib>

namespace {

void* volatile kept;  // volatile: the compiler may not leave the allocation out

Test(leak, is_seen) {
  kept = std::malloc(400);
  cr_assert(kept != nullptr);
  kept = nullptr;
}

}  // namespace

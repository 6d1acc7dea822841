// A planted bug that the fuzzer must find: when it does not, coverage feedback, the sanitizers or the way
// that targets are built is broken, and the silence of all other targets says nothing.
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view kMagic = "akm!";
  akm::fuzz::Input input(data, size);
  // One byte after the other, so that only coverage leads there: 4 billion blind guesses are no way.
  for (const char expected : kMagic) {
    if (input.u8() != static_cast<std::uint8_t>(expected)) return 0;
  }
  const std::vector<std::uint8_t> four(4);
  const std::uint8_t* bytes = four.data();
  const volatile std::uint8_t beyond = bytes[4 + input.u8() % 4];  // the bug: for AddressSanitizer to see
  (void)beyond;
  return 0;
}

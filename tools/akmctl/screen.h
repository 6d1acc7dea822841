#pragma once
// What standard output is: how wide, and whether it shows colour. A pipe or a file has no width and no
// colour.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace akm::ctl {

struct Screen {
  std::size_t columns = 0;  // 0: as wide as it takes
  bool colour = false;
};

/// The one of this process: nothing but text until it is set.
Screen& screen();
/// Of a descriptor: a terminal's width, else COLUMNS, else 80; colour unless NO_COLOR is set to anything or
/// TERM is unset or "dumb" (https://no-color.org).
Screen screen_of(int fd);

enum class Tone : std::uint8_t { plain, strong, faint, good, doubtful, bad };
/// `text` in that tone where the screen has colour, else as it is.
std::string paint(Tone tone, std::string_view text);

}  // namespace akm::ctl

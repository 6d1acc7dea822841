// load_programs OBJECT: loads each program of a BPF object alone, and says what this kernel's verifier makes
// of it. A line each: PROGRAM name section ok, or the reason. Exits with 0 when all loaded.
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kLogBytes = std::size_t{1} << 24;
constexpr std::size_t kShownBytes = 1500;

std::string
    g_said;  // by libbpf about the program that is being loaded; its print function takes no argument of ours

int keep(libbpf_print_level level, const char* format, va_list arguments) {
  if (level == LIBBPF_DEBUG) return 0;
  std::string text(kLogBytes, '\0');  // the verifier's log comes as one text, and its end is what matters
  const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
  if (size > 0) g_said.append(text.c_str());
  return size;
}

std::vector<std::string> names_of(const char* path) {
  std::vector<std::string> out;
  bpf_object* const object = bpf_object__open_file(path, nullptr);
  if (object == nullptr) return out;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) out.emplace_back(bpf_program__name(program));
  bpf_object__close(object);
  return out;
}

/// 0 or -errno.
int load_alone(const char* path, const std::string& name, std::string& section) {
  bpf_object* const object = bpf_object__open_file(path, nullptr);
  if (object == nullptr) return -errno;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const bool wanted = name == bpf_program__name(program);
    (void)bpf_program__set_autoload(program, wanted);
    if (wanted) section = bpf_program__section_name(program);
  }
  g_said.clear();
  const int result = bpf_object__load(object);
  bpf_object__close(object);
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  (void)libbpf_set_print(keep);
  const std::vector<std::string> names = names_of(argv[1]);
  unsigned failed = names.empty() ? 1 : 0;
  for (const std::string& name : names) {
    std::string section;
    const int result = load_alone(argv[1], name, section);
    std::printf("PROGRAM %s %s %s\n", name.c_str(), section.c_str(),
                result == 0 ? "ok" : std::strerror(-result));
    if (result == 0) continue;
    ++failed;
    std::printf("%s\n", g_said.c_str() + (g_said.size() > kShownBytes ? g_said.size() - kShownBytes : 0));
  }
  return failed == 0 ? 0 : 1;
}

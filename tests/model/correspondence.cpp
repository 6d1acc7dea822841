// The steps of the model against the table that the code runs on, both ways. Usage: correspondence
// FILE.pml...
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "daemon/protocol/transition_table.h"

namespace {

using namespace akm::protocol;

using Step = std::tuple<Phase, Input, Phase>;

struct Intended {
  Phase from;
  Input on;
  Phase to;
  std::string_view why;
};

constexpr std::string_view kAnswered =
    "nothing is learnt, and what is answered is on the model's network already";
constexpr std::string_view kRepeated = "what was sent stays on the model's network: repeating adds nothing";
constexpr std::string_view kGoesOn = "the next attempt may begin at any time: to wait for it changes nothing";

/// Steps of the table that the model leaves out. Each stays in its phase.
constexpr std::array kLeftOut{
    Intended{Phase::sef, Input::inform, Phase::sef, kAnswered},
    Intended{Phase::se, Input::confirm, Phase::se, kAnswered},
    Intended{Phase::sei, Input::confirm, Phase::sei, kAnswered},
    Intended{Phase::sef, Input::confirm, Phase::sef, kAnswered},
    Intended{Phase::se, Input::final, Phase::se, kAnswered},
    Intended{Phase::sei, Input::final, Phase::sei, kAnswered},
    Intended{Phase::se, Input::repeat, Phase::se, kRepeated},
    Intended{Phase::sei, Input::repeat, Phase::sei, kRepeated},
    Intended{Phase::sec, Input::repeat, Phase::sec, kRepeated},
    Intended{Phase::sef, Input::repeat, Phase::sef, kRepeated},
    Intended{Phase::sei, Input::timeout, Phase::sei, kGoesOn},
    Intended{Phase::sec, Input::timeout, Phase::sec, kGoesOn},
    Intended{Phase::sef, Input::timeout, Phase::sef, kGoesOn},
    Intended{Phase::sei, Input::close, Phase::sei, "too few are here: only the time has passed"},
    Intended{Phase::se, Input::superseded, Phase::se, "there is no attempt to leave"},
};

std::string name_of(const Step& step) {
  const auto [from, on, to] = step;
  return std::string(phase_name(from)) + " " + std::string(input_name(on)) + " " +
         std::string(phase_name(to));
}

bool left_out(const Step& step) {
  return std::ranges::any_of(kLeftOut, [&](const Intended& intended) {
    return Step{intended.from, intended.on, intended.to} == step;
  });
}

std::optional<Phase> phase_of(const std::string& name) {
  for (const Phase phase : kPhases) {
    if (phase_name(phase) == name) return phase;
  }
  return std::nullopt;
}

std::optional<Input> input_of(const std::string& name) {
  for (const Input input : kInputs) {
    if (input_name(input) == name) return input;
  }
  return std::nullopt;
}

/// The MOVEs of the model's text; false when one has a name that the table does not know.
bool read_steps(const std::string& text, std::set<Step>& steps) {
  static const std::regex kMove(R"(:: MOVE\((\w+), (\w+), (\w+)\))");
  bool known = true;
  for (std::sregex_iterator move(text.begin(), text.end(), kMove), end; move != end; ++move) {
    const auto from = phase_of((*move)[1]);
    const auto on = input_of((*move)[2]);
    const auto to = phase_of((*move)[3]);
    if (from && on && to) {
      steps.insert({*from, *on, *to});
    } else {
      std::printf("not a step of the table's words: %s\n", (*move)[0].str().c_str());
      known = false;
    }
  }
  return known;
}

std::set<Step> steps_of_table() {
  std::set<Step> steps;
  for (const Phase from : kPhases) {
    for (const Input on : kInputs) {
      for (const Phase to : kPhases) {
        if (may(from, on, to)) steps.insert({from, on, to});
      }
    }
  }
  return steps;
}

int complain(const char* what, const Step& step) {
  std::printf("%s: %s\n", what, name_of(step).c_str());
  return 1;
}

int compare(const std::set<Step>& model, const std::set<Step>& table) {
  int wrong = 0;
  for (const Step& step : model) {
    if (!table.contains(step)) wrong += complain("the model takes what the table forbids", step);
    if (left_out(step)) wrong += complain("listed as left out, yet the model takes it", step);
  }
  for (const Step& step : table) {
    if (!model.contains(step) && !left_out(step)) wrong += complain("the model lacks", step);
  }
  for (const Intended& intended : kLeftOut) {
    const Step step{intended.from, intended.on, intended.to};
    if (!table.contains(step)) wrong += complain("listed as left out, yet the table lacks it", step);
    if (intended.from != intended.to) wrong += complain("left out, although it changes the phase", step);
  }
  return wrong;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::set<Step> model;
  bool known = true;
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i]);
    if (!file) return std::printf("%s cannot be read\n", argv[i]), 2;
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    known &= read_steps(text, model);
  }
  const std::set<Step> table = steps_of_table();
  const int wrong = compare(model, table);
  std::printf("%zu steps in the model, %zu in the table, %zu left out, %d wrong\n", model.size(),
              table.size(), kLeftOut.size(), wrong);
  return known && wrong == 0 && !model.empty() ? 0 : 1;
}

// The diagram of docs/state-machine.md, from the table that the machine runs on. Without arguments it
// compares the committed file with what it would write; with --write it writes it.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "daemon/protocol/transition_table.h"

namespace {

using namespace akm::protocol;

std::string inputs_between(Phase from, Phase to) {
  std::string list;
  for (const Input input : kInputs) {
    if (!may(from, input, to)) continue;
    if (!list.empty()) list += ", ";
    list += input_name(input);
  }
  return list;
}

std::string document() {
  std::string text =
      "# The state machine of session establishment\n\n"
      "Generated from `daemon/protocol/transition_table.h` by `state_machine_doc --write`; a test compares. "
      "The words\n"
      "are those of `protocol.md`, section 5. A handler can only return a phase that the table allows: "
      "another does\n"
      "not compile.\n\n```mermaid\nstateDiagram-v2\n    [*] --> SE\n    [*] --> SEF: candidate on the disk\n";
  for (const Phase from : kPhases) {
    for (const Phase to : kPhases) {
      const std::string inputs = inputs_between(from, to);
      if (inputs.empty() || from == to) continue;
      text += "    " + std::string(phase_name(from)) + " --> " + std::string(phase_name(to)) + ": " + inputs +
              "\n";
    }
  }
  text += "```\n\n| phase |";
  for (const Input input : kInputs) text += " " + std::string(input_name(input)) + " |";
  text += "\n| --- |";
  for (std::size_t i = 0; i < kInputCount; ++i) text += " --- |";
  text += "\n";
  for (const Phase from : kPhases) {
    text += "| " + std::string(phase_name(from)) + " |";
    for (const Input input : kInputs) {
      std::string cell;
      for (const Phase to : kPhases) {
        if (may(from, input, to)) cell += (cell.empty() ? " " : ", ") + std::string(phase_name(to));
      }
      text += cell.empty() ? " - |" : cell + " |";
    }
    text += "\n";
  }
  text +=
      "\n| input | means |\n| --- | --- |\n"
      "| start | a rekey is due or asked for, or the next attempt after a failed one |\n"
      "| inform | SEI opened under the committed key |\n"
      "| confirm | SEC opened under a candidate |\n"
      "| final | SEF opened under a candidate |\n"
      "| established | SE, or what is only sent after the commit, opened under a candidate |\n"
      "| repeat | time to send the current frame again |\n"
      "| timeout | NSET (FBSET, FSSET) passed |\n"
      "| close | NNRT passed at the initiator, which may go on without those it has not heard |\n"
      "| superseded | an attempt on a chain above began, or its commit gave this chain a new start |\n";
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = document();
  if (argc > 1 && std::strcmp(argv[1], "--write") == 0) {
    std::ofstream(AKM_STATE_MACHINE_DOC) << wanted;
    return 0;
  }
  std::ifstream file(AKM_STATE_MACHINE_DOC);
  const std::string found((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (found == wanted) return 0;
  std::printf("docs/state-machine.md is not what the table says: run state_machine_doc --write\n");
  return 1;
}

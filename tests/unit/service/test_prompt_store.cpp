#include "daemon/service/prompt_store.h"

#include <criterion/criterion.h>

#include "tests/support/fake_loop.h"
#include "tests/unit/nmm/memory_store.h"

using namespace akm;

Test(prompt_store, what_is_queued_leaves_before_the_disk_blocks) {
  test::FakeLoop loop;
  auto memory = std::make_unique<nmm::test::MemoryStore>();
  auto& inner = *memory;
  service::PromptStore store(std::move(memory), loop);
  const std::vector<std::uint8_t> record{1, 2};
  cr_assert(store.write("a", record).has_value());
  cr_assert_eq(loop.pushes, 1);
  const std::vector<store::NamedRecord> two{{"b", record}, {"c", record}};
  cr_assert(store.write_all(two).has_value());
  cr_assert_eq(loop.pushes, 2);
  cr_assert(store.remove("a").has_value());
  cr_assert_eq(loop.pushes, 3);
  cr_assert(store.list().value() == (std::vector<std::string>{"b", "c"}));
  cr_assert(store.read("b").has_value());
  cr_assert_eq(loop.pushes, 3, "reading waits for nobody");
  inner.failing = true;
  cr_assert(store.write_all(two).error().code == Errc::disk_full);
}

#include "tests/sim/live_secrets.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

#include "daemon/base/secret.h"
#include "daemon/crypto/secret_observer.h"
#include "tests/sim/dice.h"

namespace akm {
namespace {

constexpr std::size_t kPdvBytes = 128;

// Stands before each secret, in a ring of its owner's.
struct alignas(16) Head {
  Head* next = nullptr;
  Head* before = nullptr;
  std::size_t size = 0;
  sim::Owner owner = 0;
  [[nodiscard]] std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

struct Book {
  Head ring;
  std::unordered_set<sim::SecretName> derived;
  sim::LiveCount count;
};

struct Books {
  sim::Owner current = 0;
  std::vector<Book*> of;
  Book& at(sim::Owner owner) {
    while (of.size() <= owner) {
      of.push_back(new Book);
      of.back()->ring.next = of.back()->ring.before = &of.back()->ring;
    }
    return *of[owner];
  }
};

// Never freed: statics that hold secrets may end after it.
Books& books() {
  static auto* const all = new Books;
  return *all;
}

Head* head_of(std::uint8_t* data) {
  return reinterpret_cast<Head*>(data) - 1;
}

void count(Book& book, const Head& head, bool more) {
  const std::size_t pdv = head.size == kPdvBytes ? 1 : 0;
  book.count.bytes = more ? book.count.bytes + head.size : book.count.bytes - head.size;
  book.count.pdvs = more ? book.count.pdvs + pdv : book.count.pdvs - pdv;
}

}  // namespace

void wipe(void* memory, std::size_t size) {
  if (size != 0) explicit_bzero(memory, size);
}

bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

SecretBuffer::SecretBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  void* const memory = size > kSecretMaxBytes ? nullptr : std::calloc(1, sizeof(Head) + size);
  if (memory == nullptr) std::abort();
  Book& book = books().at(books().current);
  auto* const head = new (memory) Head{book.ring.next, &book.ring, size, books().current};
  head->next->before = head;
  book.ring.next = head;
  count(book, *head, true);
  data_ = head->bytes();
}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  if (this != &other) {
    clear();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretBuffer SecretBuffer::copy_of(std::span<const std::uint8_t> bytes) {
  SecretBuffer out(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.reveal_mutable().begin());
  return out;
}

void SecretBuffer::clear() {
  std::uint8_t* const data = std::exchange(data_, nullptr);
  size_ = 0;
  if (data == nullptr) return;
  Head* const head = head_of(data);
  count(books().at(head->owner), *head, false);
  head->before->next = head->next;
  head->next->before = head->before;
  wipe(data, head->size);
  std::free(head);
}

void SecretBuffer::shrink(std::size_t size) {
  if (size >= size_) return;
  if (size == 0) return clear();
  wipe(data_ + size, size_ - size);
  Head* const head = head_of(data_);
  Book& book = books().at(head->owner);
  count(book, *head, false);
  head->size = size_ = size;
  count(book, *head, true);
}

void crypto::observe_secret(std::string_view what, std::span<const std::uint8_t> secret) {
  const sim::Owner owner = books().current;
  if (owner == 0 || what == "sender key" || what == "exported key" || what == "contribution") return;
  books().at(owner).derived.insert(sim::name_of(secret));
}

namespace sim {

OwnerScope::OwnerScope(Owner owner) : before_(std::exchange(books().current, owner)) {}
OwnerScope::~OwnerScope() {
  books().current = before_;
}

SecretName name_of(std::span<const std::uint8_t> secret) {
  SecretName name = secret.size();
  std::size_t at = 0;
  for (; at + 8 <= secret.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, secret.data() + at, 8);
    name = mix(name ^ word) + 0x9e3779b97f4a7c15;
  }
  for (; at < secret.size(); ++at) name = mix(name ^ secret[at]);
  return name;
}

const std::unordered_set<SecretName>& derived_by(Owner owner) {
  return books().at(owner).derived;
}

LiveCount live_count(Owner owner) {
  return books().at(owner).count;
}

void each_live(Owner owner, void (*visit)(void* context, std::span<const std::uint8_t>), void* context) {
  Head& ring = books().at(owner).ring;
  for (Head* head = ring.next; head != &ring; head = head->next) visit(context, {head->bytes(), head->size});
}

void reset_secrets(std::size_t owners) {
  for (std::size_t owner = 0; owner < owners; ++owner) books().at(static_cast<Owner>(owner)).derived.clear();
}

}  // namespace sim
}  // namespace akm

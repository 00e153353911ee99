#include "record/pack.h"

#include <initializer_list>

#include "base/bytes.h"

namespace minato::pack {
namespace {

constexpr char kItem = '\x1e';
constexpr char kPart = '\x1f';

void append_item(std::string& packed, std::initializer_list<std::string_view> parts) {
  std::string item;
  for (const auto part : parts) {
    item += clean(part);
    item += kPart;
  }
  while (!item.empty() && item.back() == kPart) item.pop_back();
  if (!packed.empty()) packed += kItem;
  packed += item;
}

// A part that an item has not is empty.
struct Parts {
  explicit Parts(std::string_view item) : parts(split(item, kPart)) {}
  std::string operator[](std::size_t i) const { return i < parts.size() ? std::string(parts[i]) : std::string(); }
  std::vector<std::string_view> parts;
};

}  // namespace

std::string clean(std::string_view text) {
  std::string kept;
  kept.reserve(text.size());
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) kept += c;
  }
  return kept;
}

std::string texts(const std::vector<std::string>& items) {
  std::string packed;
  for (const auto& item : items) {
    if (!clean(item).empty()) append_item(packed, {item});
  }
  return packed;
}

std::vector<std::string> texts_of(std::string_view packed) {
  std::vector<std::string> items;
  if (packed.empty()) return items;
  for (const auto item : split(packed, kItem)) items.emplace_back(item);
  return items;
}

std::string names(const std::vector<PersonName>& items) {
  std::string packed;
  for (const auto& n : items) {
    if (!n.family.empty() || !n.given.empty()) {
      append_item(packed, {n.family, n.given, n.middle, n.representation, n.type});
    }
  }
  return packed;
}

std::vector<PersonName> names_of(std::string_view packed) {
  std::vector<PersonName> items;
  if (packed.empty()) return items;
  for (const auto item : split(packed, kItem)) {
    const Parts parts(item);
    items.push_back(
        {.family = parts[0], .given = parts[1], .middle = parts[2], .representation = parts[3], .type = parts[4]});
  }
  return items;
}

std::string providers(const std::vector<ProviderClaim>& items) {
  std::string packed;
  for (const auto& p : items) {
    append_item(packed, {std::to_string(static_cast<int>(p.role)), p.id, p.system, p.family, p.given, p.mail, p.field});
  }
  return packed;
}

std::vector<ProviderClaim> providers_of(std::string_view packed) {
  std::vector<ProviderClaim> items;
  if (packed.empty()) return items;
  for (const auto item : split(packed, kItem)) {
    const Parts parts(item);
    items.push_back({.role = static_cast<ProviderRole>(parse_unsigned(parts[0]).value_or(0)),
                     .id = parts[1],
                     .system = parts[2],
                     .family = parts[3],
                     .given = parts[4],
                     .mail = parts[5],
                     .field = parts[6]});
  }
  return items;
}

}  // namespace minato::pack

#include "store/index/layout.h"

#include <array>

#include "base/bytes.h"
#include "base/limits.h"

namespace minato::index_layout {
namespace {

constexpr char kSeparator = '\x1f';

void append_ids(std::string& out, KeyKind kind, const std::vector<std::string>& values, std::size_t& room) {
  for (const auto& value : values) {
    const std::string kept = clean(value);
    if (kept.empty() || room == 0) continue;
    if (!out.empty()) out += kSeparator;
    out += static_cast<char>(kind);
    out += kept;
    --room;
  }
}

// Cuts at the end of a whole character.
std::size_t cut_at(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text.size();
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return end;
}

std::vector<std::string> split_texts(std::string_view packed, char separator) {
  std::vector<std::string> texts;
  if (packed.empty()) return texts;
  for (const auto part : split(packed, separator)) texts.emplace_back(part);
  return texts;
}

}  // namespace

std::uint32_t hash_of(KeyKind kind, std::string_view value) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](char byte) { hash = (hash ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3; };
  add(static_cast<char>(kind));
  for (const char byte : value) add(byte);
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53;
  return static_cast<std::uint32_t>(hash >> (64 - kHashBits));
}

std::string clean(std::string_view value) {
  std::string kept;
  kept.reserve(value.size());
  for (const char c : value) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) kept += c;
  }
  kept.resize(cut_at(kept, kIndexValueBytesMax));
  return kept;
}

std::string pack_ids(const IndexedMessage& message) {
  std::string packed;
  std::size_t room = kIndexIdsPerMessageMax;
  append_ids(packed, KeyKind::kPatient, message.patient_ids, room);
  append_ids(packed, KeyKind::kEncounter, message.encounter_ids, room);
  append_ids(packed, KeyKind::kOrder, message.order_ids, room);
  return packed;
}

void unpack_ids(std::string_view packed, IndexedMessage& message) {
  if (packed.empty()) return;
  for (const auto part : split(packed, kSeparator)) {
    if (part.empty()) continue;
    const std::string value(part.substr(1));
    if (part[0] == static_cast<char>(KeyKind::kPatient)) message.patient_ids.push_back(value);
    if (part[0] == static_cast<char>(KeyKind::kEncounter)) message.encounter_ids.push_back(value);
    if (part[0] == static_cast<char>(KeyKind::kOrder)) message.order_ids.push_back(value);
  }
}

bool has_id(std::string_view packed, KeyKind kind, std::string_view value) {
  while (!packed.empty()) {
    const auto end = packed.find(kSeparator);
    const auto part = packed.substr(0, end);
    if (!part.empty() && part[0] == static_cast<char>(kind) && part.substr(1) == value) return true;
    if (end == std::string_view::npos) break;
    packed.remove_prefix(end + 1);
  }
  return false;
}

std::vector<std::uint32_t> hashes(std::string_view packed, std::string_view control_id) {
  std::vector<std::uint32_t> all;
  if (!control_id.empty()) all.push_back(hash_of(KeyKind::kControlId, control_id));
  if (packed.empty()) return all;
  for (const auto part : split(packed, kSeparator)) {
    if (!part.empty()) all.push_back(hash_of(static_cast<KeyKind>(part[0]), part.substr(1)));
  }
  return all;
}

std::string pack_feed(const IndexedMessage& message) {
  const std::array<const std::string*, 5> names = {&message.listener, &message.sender_application,
                                                   &message.sender_facility, &message.message_type, &message.trigger};
  std::string packed;
  for (const auto* text : names) {
    if (text != names.front()) packed += kSeparator;
    packed += clean(*text);
  }
  return packed;
}

void unpack_feed(std::string_view packed, IndexedMessage& message) {
  auto texts = split_texts(packed, kSeparator);
  texts.resize(5);
  message.listener = texts[0];
  message.sender_application = texts[1];
  message.sender_facility = texts[2];
  message.message_type = texts[3];
  message.trigger = texts[4];
}

std::string pack_warnings(const std::vector<std::string>& warnings) {
  std::string packed;
  for (const auto& warning : warnings) {
    if (!packed.empty()) packed += ' ';
    packed += warning;
  }
  return packed;
}

void unpack_warnings(std::string_view packed, std::vector<std::string>& warnings) {
  warnings = split_texts(packed, ' ');
}

}  // namespace minato::index_layout

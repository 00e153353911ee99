#include "flow/duplicates.h"

namespace minato {

DuplicateWindow::DuplicateWindow(const Options& options) : options_(options) { grow(); }

MessageDigest DuplicateWindow::digest(const MessageName& name, std::string_view bytes) const {
  SipHash id(options_.key);
  for (const std::string_view part : {name.identity, name.application, name.facility, name.control_id}) {
    id.add(std::uint64_t{part.size()}).add(part);
  }
  SipHash whole(options_.key);
  whole.add(std::uint64_t{name.identity.size()}).add(name.identity).add(bytes);
  return {.whole = whole.finish(), .id = id.finish().low};
}

std::optional<DuplicateWindow::Known> DuplicateWindow::find(const MessageDigest& digest, Time now) const {
  for (std::uint64_t n = newest_whole_[digest.whole.low & mask_]; n >= first_; n = at(n).older_whole) {
    if (at(n).digest == digest) return fresh(at(n), now) ? std::optional(at(n).known) : std::nullopt;
  }
  return std::nullopt;
}

bool DuplicateWindow::id_seen(const MessageDigest& digest, Time now) const {
  for (std::uint64_t n = newest_id_[digest.id & mask_]; n >= first_; n = at(n).older_id) {
    if (at(n).digest.id == digest.id) return fresh(at(n), now);
  }
  return false;
}

void DuplicateWindow::insert(const MessageDigest& digest, Known known) {
  if (options_.messages_max == 0 || find(digest, known.time)) return;
  while (size() > 0 && (size() >= options_.messages_max || !fresh(at(first_), known.time))) ++first_;
  if (size() == ring_.size()) grow();
  at(next_) = {.digest = digest, .known = known};
  link(next_++);
}

void DuplicateWindow::link(std::uint64_t number) {
  Entry& entry = at(number);
  std::uint64_t& whole = newest_whole_[entry.digest.whole.low & mask_];
  std::uint64_t& id = newest_id_[entry.digest.id & mask_];
  entry.older_whole = whole;
  entry.older_id = id;
  whole = number;
  id = number;
}

void DuplicateWindow::grow() {
  const std::size_t places = ring_.empty() ? kPlacesMin : ring_.size() * 2;
  std::vector<Entry> kept(places);
  for (std::uint64_t n = first_; n < next_; ++n) kept[n & (places - 1)] = at(n);
  ring_ = std::move(kept);
  mask_ = places - 1;
  newest_whole_.assign(places, 0);
  newest_id_.assign(places, 0);
  for (std::uint64_t n = first_; n < next_; ++n) link(n);
}

}  // namespace minato

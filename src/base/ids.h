// Strong integers and strings, so that a position in the journal is never taken for a count or for another id.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace minato {

template <typename Tag, typename Int = std::uint64_t>
struct StrongInt {
  Int value = 0;
  friend auto operator<=>(StrongInt, StrongInt) = default;
};

// The place of a record in the journal: 1, 2, 3 … without gaps. 0 stands before the first record.
using Seq = StrongInt<struct SeqTag>;
inline Seq next(Seq seq) { return Seq{seq.value + 1}; }

}  // namespace minato

template <typename Tag, typename Int>
struct std::hash<minato::StrongInt<Tag, Int>> {
  std::size_t operator()(minato::StrongInt<Tag, Int> id) const noexcept { return std::hash<Int>{}(id.value); }
};

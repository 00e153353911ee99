// The dose that stands behind a drug's name: strength, amount, route, frequency.
#pragma once

#include <cstddef>
#include <string_view>

namespace minato::language {

struct DoseRange {
  std::size_t begin = 0, end = 0;  // end 0: there is none
};

// Looks at folded lower-case text from `begin` (where the drug's name ends) to `end`: "10mg po bid", "(5 mg) daily",
// "錠60mg 1日3回". A strength or amount must follow at once, but for words that belong to the name ("tablet", "xr",
// 錠).
DoseRange dose_after(std::string_view folded, std::size_t begin, std::size_t end);

}  // namespace minato::language

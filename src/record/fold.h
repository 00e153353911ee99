// How names are compared: what people see as one name folds to one text.
#pragma once

#include <string>
#include <string_view>

namespace minato {

// NFKC and case folding (Unicode 15, section 3.13), then: marks of Latin, Greek and Cyrillic letters fall away (é = e,
// ø = o), hiragana becomes katakana, and everything that is neither letter nor digit goes (blanks, hyphens,
// apostrophes, ・). The marks of kana stay: が is not か. Width and variation selectors do not count. Not UTF-8: folded
// as U+FFFD, which goes too.
std::string fold_name(std::string_view utf8);

}  // namespace minato

#include "base/error.h"

namespace minato {

std::string_view name(Errc code) {
  switch (code) {
    case Errc::kRetry:
      return "retry";
    case Errc::kRefused:
      return "refused";
    case Errc::kConflict:
      return "conflict";
    case Errc::kNotFound:
      return "not-found";
    case Errc::kTooLarge:
      return "too-large";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kCorrupt:
      return "corrupt";
  }
  return "unknown";
}

}  // namespace minato

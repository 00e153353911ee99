#include "record/identity.h"

namespace minato {

std::string_view name(ProviderRole role) {
  switch (role) {
    case ProviderRole::kPrimary:
      return "primary";
    case ProviderRole::kAttending:
      return "attending";
    case ProviderRole::kReferring:
      return "referring";
    case ProviderRole::kConsulting:
      return "consulting";
    case ProviderRole::kAdmitting:
      return "admitting";
    case ProviderRole::kOther:
      return "other";
  }
  return "other";
}

}  // namespace minato

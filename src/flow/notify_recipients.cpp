// Who may be told: the providers that the message names and the registry vouches for, and the patient's own.
#include <algorithm>
#include <utility>

#include "flow/notify.h"

namespace minato {
namespace {

Status add_registry_providers(const Verification& verdict, const VerifyViews& views, std::vector<Recipient>& out) {
  MN_TRY(patient, views.patients.get(verdict.patient));
  for (const ProviderClaim& claim : patient.primary_providers) {
    MN_TRY(verified, views.providers.verify(claim));
    if (verified.match != ProviderMatch::kMatch) continue;
    const auto known = std::ranges::find(out, verified.provider, [](const Recipient& r) { return r.provider.id; });
    if (known != out.end()) {
      known->roles.push_back(ProviderRole::kPrimary);
      continue;
    }
    MN_TRY(provider, views.providers.get(verified.provider));
    out.push_back({std::move(provider), {ProviderRole::kPrimary}});
  }
  return {};
}

}  // namespace

Result<std::vector<Recipient>> recipients_of(const Verification& verdict, const VerifyViews& views,
                                             const NotifyRules& rules) {
  std::vector<Recipient> out;
  bool primary = false;
  for (const VerifiedProvider& verified : verdict.providers) {
    auto provider = views.providers.get(verified.provider);
    if (!provider && provider.error().code == Errc::kNotFound) continue;
    if (!provider) return std::unexpected(provider.error());
    primary = primary || std::ranges::find(verified.roles, ProviderRole::kPrimary) != verified.roles.end();
    out.push_back({std::move(*provider), verified.roles});
  }
  const bool ask = rules.registry_providers == RegistryProviders::kTold && !primary && verdict.patient != PatientId{};
  if (ask) MN_CHECK(add_registry_providers(verdict, views, out));
  return out;
}

}  // namespace minato

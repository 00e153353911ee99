#include <algorithm>

#include "record/fold.h"
#include "record/patients.h"

namespace minato {
namespace {

enum class Compared : std::uint8_t { kNot, kEqualInPart, kEqual, kDiffers };

struct FoldedName {
  std::string family, whole;
  bool full = false;  // it has a given name too
};

FoldedName fold(const PersonName& n) {
  const std::string family = fold_name(n.family);
  const std::string given = fold_name(n.given);
  // A whole name in one component ("山本 太郎") counts as full when its own blank says so.
  const bool joined =
      given.empty() && (n.family.find(' ') != std::string::npos || n.family.find("　") != std::string::npos);
  return {family, family + given, joined || (!family.empty() && !given.empty())};
}

Compared compare_name(const FoldedName& claimed, const FoldedName& known) {
  if (claimed.whole == known.whole) return claimed.full || known.full ? Compared::kEqual : Compared::kEqualInPart;
  // One of them has no given name: the family name must be the same at least.
  if (claimed.full && known.full) return Compared::kDiffers;
  return claimed.family == known.family ? Compared::kEqualInPart : Compared::kDiffers;
}

Compared compare_names(const std::vector<PersonName>& claimed, const std::vector<PersonName>& known) {
  Compared best = Compared::kNot;
  const auto rank = [](Compared c) {
    return c == Compared::kDiffers ? 1 : c == Compared::kNot ? 0 : 1 + static_cast<int>(c);
  };
  for (const auto& c : claimed) {
    const FoldedName claimed_name = fold(c);
    if (claimed_name.whole.empty()) continue;
    for (const auto& k : known) {
      const FoldedName known_name = fold(k);
      if (known_name.whole.empty()) continue;
      const Compared found = compare_name(claimed_name, known_name);
      if (rank(found) > rank(best)) best = found;
    }
  }
  return best;
}

Compared compare_birth_dates(std::string_view claimed, std::string_view known) {
  constexpr std::size_t kToTheDay = 8;
  claimed = claimed.substr(0, kToTheDay);
  known = known.substr(0, kToTheDay);
  const std::size_t length = std::min(claimed.size(), known.size());
  if (length < 4) return Compared::kNot;
  if (claimed.substr(0, length) != known.substr(0, length)) return Compared::kDiffers;
  return length == kToTheDay ? Compared::kEqual : Compared::kEqualInPart;
}

Compared compare_sexes(std::string_view claimed, std::string_view known) {
  if (claimed.empty() || known.empty() || claimed == "U" || known == "U") return Compared::kNot;
  return claimed == known ? Compared::kEqual : Compared::kDiffers;
}

}  // namespace

PatientVerification compare_demographics(const PatientClaim& claim, const Demographics& known) {
  PatientVerification result;
  const Compared names = compare_names(claim.names, known.names.value_or(std::vector<PersonName>()));
  const Compared birth_date = compare_birth_dates(claim.birth_date, known.birth_date.value_or(""));
  const Compared sex = compare_sexes(claim.sex, known.sex.value_or(""));
  if (names == Compared::kDiffers) result.fields.push_back("PID-5");
  if (birth_date == Compared::kDiffers) result.fields.push_back("PID-7");
  if (sex == Compared::kDiffers) result.fields.push_back("PID-8");
  if (!result.fields.empty()) {
    result.match = PatientMatch::kDemographicsDiffer;
  } else if (names == Compared::kEqual || birth_date == Compared::kEqual) {
    result.match = PatientMatch::kMatch;
  } else {
    result.match = PatientMatch::kDemographicsMissing;
    result.fields = {"PID-5", "PID-7"};
  }
  return result;
}

}  // namespace minato

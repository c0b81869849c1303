"""Parts of a mixture whose EM is a fold over blocks of rows."""

from ..experts import GlmBank, LinearBank, LogisticBank
from ..experts._glm._sums import GlmPart
from ..experts._linear._sums import LinearPart
from ..experts._logistic._sums import LogisticPart
from ..gates import GaussianTrainer, SoftmaxTrainer
from ..gates._gaussian._sums import GaussianPart
from ..gates._softmax._sums import SoftmaxPart

#: What folds the gate of a trainer, and the experts of a bank.
_GATES = {SoftmaxTrainer: SoftmaxPart, GaussianTrainer: GaussianPart}
_EXPERTS = {LinearBank: LinearPart, LogisticBank: LogisticPart, GlmBank: GlmPart}


def has_sums(law):
    """Tell whether the parameters of a law need only sums over rows."""
    laws = [law for part in _EXPERTS.values() for law in part.laws]
    return type(law) in laws and law.dispersion == "constant"


def sums_parts(gate, bank, law, n_experts):
    """Return the parts that fold a gate and a bank under a law; None where they need all rows.

    Parameters
    ----------
    gate : gate trainer
    bank : bank of experts
    law : response
    n_experts : int
    """
    gate_part, expert_part = _GATES.get(type(gate)), _EXPERTS.get(type(bank))
    if gate_part is None or expert_part is None or not has_sums(law):
        return None
    if type(law) not in expert_part.laws:
        return None
    return gate_part(gate, n_experts), expert_part(bank, law)

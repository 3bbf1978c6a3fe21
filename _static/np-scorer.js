// Pages of further editions say what the main pages say, of fewer runs: they are found last.
Scorer = {
  score: (result) => (result[0].startsWith("editions/") ? result[4] - 1000 : result[4]),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

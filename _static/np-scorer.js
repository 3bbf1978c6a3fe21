// Pages of further editions say what the main pages say, of fewer runs: they are found last. Names of the code come before
// them, and after all chapters.
Scorer = {
  score: (result) => result[4] - (result[0].startsWith("editions/") ? 1000 : result[0] === "appendix/api" ? 500 : 0),
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

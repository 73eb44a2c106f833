// Runs after MathJax 3 and before the widgets are drawn: the widget manager typesets labels through MathJax 2's queue.
window.MathJax = window.MathJax || {};
window.MathJax.Hub = {
  Queue: (...calls) => {
    for (const call of calls) {
      const element = Array.isArray(call) && call.find((part) => part instanceof Element);
      if (element && window.MathJax.typesetPromise) window.MathJax.typesetPromise([element]);
    }
  },
};

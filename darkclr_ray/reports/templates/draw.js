"use strict";
const drawings = [...document.querySelectorAll("div.plot")].map((place) => {
  const figure = JSON.parse(document.getElementById(place.id + "-data").textContent);
  const options = {
    displaylogo: false,
    displayModeBar: "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
    toImageButtonOptions: {format: "svg", filename: place.id},
  };
  return Plotly.newPlot(place, figure.data, figure.layout, options);
});
Promise.all(drawings).then(() => { document.documentElement.dataset.drawn = drawings.length; });

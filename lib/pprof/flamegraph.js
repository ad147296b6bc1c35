"use strict";
(function () {
	var WIDTH = 1200, LETTER = 6.7, LEAST = 0.01;
	var status = document.getElementById("status");
	var frames = Array.prototype.map.call(
		document.querySelectorAll("g.f"), function (g) {
			var rect = g.querySelector("rect");
			return {
				g: g,
				rect: rect,
				text: g.querySelector("text"),
				name: g.querySelector("title").textContent,
				x: parseFloat(rect.getAttribute("x")),
				w: parseFloat(rect.getAttribute("width")),
				y: parseFloat(rect.getAttribute("y"))
			};
		});
	var all = frames[0];

	function fit(name, width) {
		var n = Math.floor((width - 6) / LETTER);

		name = name.replace(/ \([^(]*\)$/, "");
		if (n < 3)
			return "";
		return name.length <= n ? name : name.slice(0, n - 1) + "\u2026";
	}

	function place(f, x, w, parent) {
		f.g.style.display = "";
		f.g.style.opacity = parent ? 0.5 : 1;
		f.rect.setAttribute("x", x);
		f.rect.setAttribute("width", w);
		f.text.setAttribute("x", x + 3);
		f.text.textContent = fit(f.name, w);
	}

	function zoom(to) {
		var right = to.x + to.w;

		frames.forEach(function (f) {
			if (f.y <= to.y && f.x >= to.x - LEAST &&
			    f.x + f.w <= right + LEAST)
				place(f, (f.x - to.x) / to.w * WIDTH,
				      f.w / to.w * WIDTH, false);
			else if (f.y > to.y && f.x <= to.x + LEAST &&
				 f.x + f.w >= right - LEAST)
				place(f, 0, WIDTH, true);
			else
				f.g.style.display = "none";
		});
	}

	/* Frames come with all that they call behind them, from left to right: what
	 * begins before the last match ends is a part of it. */
	function search(word) {
		var pattern, end = -1, sum = 0;

		try {
			pattern = new RegExp(word, "i");
		} catch (e) {
			status.textContent = "this is no regular expression";
			return;
		}
		frames.forEach(function (f) {
			var name = f.name.replace(/ \([^(]*\)$/, "");
			var match = word !== "" && pattern.test(name);

			f.rect.classList.toggle("match", match);
			if (match && f.x >= end - LEAST) {
				sum += f.w;
				end = f.x + f.w;
			}
		});
		status.textContent = word === "" ? "" :
			word + ": " + (100 * sum / all.w).toFixed(1) + "%";
	}

	function ask() {
		var word = window.prompt("Functions (a regular expression):", "");

		if (word !== null)
			search(word);
	}

	frames.forEach(function (f) {
		f.g.addEventListener("click", function () { zoom(f); });
		f.g.addEventListener("mouseover", function () {
			document.getElementById("name").textContent = f.name;
		});
	});
	document.getElementById("search").addEventListener("click", ask);
	document.getElementById("reset").addEventListener("click", function () {
		search("");
		zoom(all);
	});
	window.addEventListener("keydown", function (e) {
		if (e.key === "/" || (e.key === "f" && e.ctrlKey)) {
			e.preventDefault();
			ask();
		}
	});
	zoom(all);
}());
